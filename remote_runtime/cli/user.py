"""``farcell user``: who may use a served gateway; works on its database, whether the gateway runs or not."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeVar

from traitlets import Bool

from ..errors import BadRequest
from .command import DEBUG_FLAG, Command, console, notices
from .gateway import Gateway
from .serve import FOLDER_ALIASES
from .tables import show, users_table

if TYPE_CHECKING:
    from collections.abc import Callable

    from sqlalchemy import Connection

T = TypeVar("T")


class UserCommand(Command):
    """A command on the users of the gateway that ``farcell serve`` with the same options serves."""

    classes: list[Any] = [Gateway]
    aliases: dict[str, Any] = FOLDER_ALIASES

    def write(self, work: Callable[[Connection], T]) -> T:
        with Gateway(config=self.config).open_database() as database:
            return database.write_now(work)


class AddUser(UserCommand):
    name = "farcell user add"
    description = "Adds a user and prints her token: this once, for the gateway keeps only its hash."
    arguments = "NAME"
    operator = Bool(help="give her the role of an operator").tag(config=True)
    flags: dict[str, Any] = {
        "operator": (
            {"AddUser": {"operator": True}},
            "she sees everybody's sessions and the gateway's metrics",
        )
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..gateway import users

        name, role = self.extra_args[0], users.Role.OPERATOR if self.operator else users.Role.USER
        token = users.new_token()

        def add(connection: Connection) -> None:
            users.add_user(connection, name, role)
            users.add_token(connection, name, token)

        self.write(add)
        _show_token(f"{name} is a new {role.value}", token)


class NewToken(UserCommand):
    name = "farcell user token"
    description = "Makes one more token for a user and prints it, this once."
    arguments = "NAME"
    replace = Bool(help="the tokens that the user had stop working").tag(config=True)
    flags: dict[str, Any] = {
        "replace": ({"NewToken": {"replace": True}}, "those that she had stop working")
    } | DEBUG_FLAG

    def run(self) -> None:
        from ..gateway import users

        name, token = self.extra_args[0], users.new_token()

        def change(connection: Connection) -> None:
            if self.replace:
                users.remove_tokens(connection, name)
            users.add_token(connection, name, token)

        self.write(change)
        _show_token(f"{name} has a new token", token)


class RemoveUser(UserCommand):
    name = "farcell user remove"
    description = "Removes a user: her tokens stop working now. What runs for her ends when it is idle."
    arguments = "NAME"

    def run(self) -> None:
        from ..gateway import users

        name = self.extra_args[0]
        self.write(lambda connection: users.remove_user(connection, name))
        console.print(f"{name} is removed")


class SetRole(UserCommand):
    name = "farcell user role"
    description = "Makes a user an operator, or an operator a user."
    arguments = "NAME ROLE"

    def run(self) -> None:
        from ..gateway import users

        name, asked = self.extra_args
        if asked not in (roles := [role.value for role in users.Role]):
            raise BadRequest(f"there is no role {asked!r}; there are: {', '.join(roles)}")
        self.write(lambda connection: users.set_role(connection, name, users.Role(asked)))
        console.print(f"{name} is now: {asked}")


class ListUsers(UserCommand):
    name = "farcell user list"
    description = "Lists the users and their roles."

    def run(self) -> None:
        from ..gateway import users

        show(users_table((user.name, user.role.value) for user in self.write(users.list_users)))


class Users(Command):
    name = "farcell user"
    description = "The users of a gateway that 'farcell serve' serves."
    arguments = "COMMAND"
    subcommands: dict[str, Any] = {
        "add": (f"{__name__}.AddUser", "add a user, and print her token"),
        "token": (f"{__name__}.NewToken", "make one more token for a user"),
        "remove": (f"{__name__}.RemoveUser", "remove a user"),
        "role": (f"{__name__}.SetRole", "make a user an operator, or an operator a user"),
        "list": (f"{__name__}.ListUsers", "list the users"),
    }

    def run(self) -> None:
        raise BadRequest(f"there is no command {self.extra_args[0]!r}: farcell user --help")


def _show_token(told: str, token: str) -> None:
    """The token alone on standard output, for scripts."""
    notices.print(f"{told}; she logs in with 'farcell login URL' and this token, which is shown only now:")
    console.print(token)
