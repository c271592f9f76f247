"""For all tests: a property is judged by what it says, never by how busy the machine is."""

from hypothesis import HealthCheck, settings

settings.register_profile("factory", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("factory")
