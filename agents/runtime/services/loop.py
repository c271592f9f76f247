"""The agent loop: ask the model, do what it wants done, tell it what came of it; until it wants nothing more."""

import logging
from dataclasses import replace

from agents.gateway.ports import Ask, Message, Reply
from agents.runtime import rules
from agents.runtime.errors import Stuck
from agents.runtime.services.talk import Spoken, Talk
from agents.runtime.services.toolbox import Toolbox
from core.ids import digest_of
from core.registry import Limits

logger = logging.getLogger(__name__)


class AgentLoop:
    """One agent at one piece of work.

    All state is here and in `messages`: an attempt that begins with the same messages and is given the same answers
    goes the same way, so a later attempt repeats an earlier one without paying.
    """

    def __init__(self, ask: Ask, *, talk: Talk, toolbox: Toolbox, limits: Limits) -> None:
        self.ask, self.talk, self.toolbox, self.limits = ask, talk, toolbox, limits
        self.messages: list[Message] = list(ask.messages)
        self.calls: list[str] = []
        self.prompt_tokens: list[int] = []
        self.said: list[str] = []
        self.tools: list[str] = []

    def run(self) -> str:
        """Step until the model answers without tool calls; return that answer.

        Raises:
            Halted: the attempt was told to stop.
            Stuck: it went round in circles.
            AnswerCut: an answer did not fit into the largest room.
            DeniedTooOften: it insisted on what it may not do.
        """
        while self.step().tool_calls:
            pass
        return self.messages[-1].text

    def step(self) -> Reply:
        """Ask once and do what the answer wants."""
        spoken = self.query()
        reply = spoken.reply
        self.messages.append(Message(role="assistant", text=reply.text, tool_calls=reply.tool_calls))
        if reply.tool_calls:
            self.execute(spoken)
        return reply

    def query(self) -> Spoken:
        """Ask the model, with all that was said so far, and what a person told it meanwhile."""
        self.messages += [
            Message(role="user", text=rules.marked("note_from_owner", note)) for note in self.talk.notes()
        ]
        spoken = self.talk.say_whole(replace(self.ask, messages=tuple(self.messages)))
        self.prompt_tokens += [spoken.reply.usage.prompt] if spoken.reply.usage else []
        self.said.append(spoken.reply.text)
        return spoken

    def execute(self, spoken: Spoken) -> None:
        """Carry out the calls of one answer in order and tell the model the results."""
        wishes = spoken.reply.tool_calls
        self.calls += [digest_of([wish.name, wish.arguments or wish.raw]) for wish in wishes]
        if why := rules.why_stuck(
            calls=self.calls,
            prompt_tokens=self.prompt_tokens,
            most_calls=self.limits.tool_calls,
            said=self.said,
        ):
            raise Stuck(why=why)
        self._warn([wish.name for wish in wishes])
        for place, wish in enumerate(wishes):
            self.talk.go_on()
            told = self.toolbox.use(wish, turn=spoken.turn, step_key=f"{spoken.step_key}:{place}")
            self.messages.append(
                Message(role="tool", text=told.text, tool_call_id=wish.id, is_error=told.is_error)
            )

    def _warn(self, tools: list[str]) -> None:
        """Say once of each tool that it is used often; an agent may well have to."""
        known = rules.often_used(self.tools)
        self.tools += tools
        for tool, n in rules.often_used(self.tools).items():
            if tool not in known:
                logger.warning(
                    "runtime.tool_used_often",
                    extra={
                        "assignment_id": self.ask.assignment_id,
                        "agent": self.ask.agent,
                        "tool": tool,
                        "times": n,
                    },
                )
