"""Addresses of the pages."""

from django.urls import path

from factory.console.views import decisions, health, home, ideas, money, people, stop, ventures

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
    path("health/", health.health, name="health"),
    path("stop/", stop.stop, name="stop"),
    path("stop/start/", stop.start, name="start"),
]
