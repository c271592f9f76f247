"""What an agent says of itself to other agents."""

from typing import Any

from agents.roster.models import Agent

TEXT = ("text/plain", "application/json")
PROTOCOL = "0.3.0"


def card_of(agent: Agent, *, url: str) -> dict[str, Any]:
    """Return the agent's card as the A2A protocol wants it; `url` is where it takes work. Source: R-03.15."""
    said = agent.definition
    skills = [
        {"id": name, "name": name.replace("_", " "), "description": f"{said.name} can {name}.", "tags": [said.role]}
        for name in said.capabilities
    ]  # fmt: skip
    return {
        "protocolVersion": PROTOCOL,
        "name": said.name,
        "description": said.tagline or said.role,
        "url": url,
        "preferredTransport": "HTTP+JSON",
        "version": agent.version.sha256[:12],
        "provider": {"organization": "Agentic Factory", "url": url},
        "capabilities": {"streaming": False, "pushNotifications": False, "stateTransitionHistory": True},
        "defaultInputModes": list(TEXT),
        "defaultOutputModes": list(TEXT),
        "skills": skills,
        "securitySchemes": {"device": {"type": "http", "scheme": "bearer"}},
        "security": [{"device": []}],
    }
