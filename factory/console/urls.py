"""Addresses of the pages."""

from django.urls import path

from factory.console.views import (
    decisions,
    graph,
    health,
    home,
    ideas,
    money,
    people,
    search,
    session,
    stop,
    ventures,
    work,
)

urlpatterns = [
    path("", home.home, name="home"),
    path("login/", people.sign_in, name="login"),
    path("logout/", people.sign_out, name="logout"),
    path("join/<str:token>/", people.join, name="join"),
    path("decisions/", decisions.decisions, name="decisions"),
    path("decisions/<uuid:request_id>/", decisions.decision, name="decision"),
    path("ventures/", home.venture_list, name="ventures"),
    path("ventures/<slug:slug>/", ventures.venture, name="venture"),
    path("ideas/", ideas.ideas, name="ideas"),
    path("ideas/give/", ideas.give, name="give"),
    path("ideas/<str:name>/", ideas.idea, name="idea"),
    path("money/", money.money, name="money"),
    path("work/", work.work, name="work"),
    path("work/gave-up/<uuid:letter_id>/", work.gave_up, name="gave_up"),
    path("work/graphs/", graph.graphs, name="graphs"),
    path("work/graphs/<uuid:dag_id>/", graph.graph, name="graph"),
    path("work/steps/<uuid:task_id>/", session.task, name="task"),
    path("work/sessions/<uuid:attempt_id>/", session.session, name="session"),
    path("work/results/<uuid:artifact_id>/", session.result, name="result"),
    path("search/", search.find, name="search"),
    path("health/", health.health, name="health"),
    path("stop/", stop.stop, name="stop"),
    path("stop/start/", stop.start, name="start"),
]
