"""The steps of the pipeline that are platform code."""

from django.db import transaction

from core.registry import Assignment, Outcome, Stop, every, register_job
from factory.pipeline.services.build import ACTION, open_build, question_about
from factory.pipeline.services.cycle import EVERY_S, look_around
from factory.pipeline.services.discover import propose_again
from factory.pipeline.services.hooks import take_calls
from factory.pipeline.services.ventures import settle_tests, validate_product
from factory.work.models import Task
from portfolio.models import Product

every(0.3, name="pipeline.settle_tests")(settle_tests)
every(2, name="pipeline.take_calls")(take_calls)
every(EVERY_S, name="pipeline.look_around")(look_around)


@register_job("pipeline.validate")
def validate(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Check demand and prices at the desk, and count the traffic of the test."""
    product = Product.objects.get(pk=assignment.inputs["arguments"]["product_id"])
    return Outcome(kind="done", result=validate_product(product))


@register_job("pipeline.ask_to_build")
def ask_to_build(assignment: Assignment, stop: Stop, /) -> Outcome:
    """Ask the owner; go on with the answer."""
    arguments, upstream = assignment.inputs["arguments"], assignment.inputs["upstream"]
    product = Product.objects.select_related("scope").get(pk=arguments["product_id"])
    results = {key.partition("-")[0]: given["result"] for key, given in upstream.items()}
    blueprint, plan = results["blueprint"], results["plan"]
    answer = assignment.decisions.get(ACTION)
    if answer is None:
        question = question_about(product, task_id=assignment.reuse_key, blueprint=blueprint, plan=plan)
        return Outcome(kind="waiting", question=question)
    if answer["answer"] == "change":
        dag = Task.objects.select_related("dag").get(pk=assignment.reuse_key).dag
        with transaction.atomic():
            propose_again(product, dag, round_n=arguments["round"] + 1, owner_words=answer["words"])
        return Outcome(kind="done", result={"answer": "change"})
    dag = open_build(product, task_id=assignment.reuse_key, blueprint=blueprint, plan=plan)
    return Outcome(kind="done", result={"answer": "approve", "dag_id": str(dag.pk)})
