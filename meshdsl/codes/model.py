"""The codes of the values of a policy's arguments."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH201",
        "too many arguments by position",
        'Only the subject of a policy, and what it is all about, are given by position: Timeout(api, "5s").'
        " Everything else is given by name, so that a policy can be read without its definition. Write the others as"
        " name=value.",
    ),
    Page(
        "MESH202",
        "no such argument",
        "The object has no argument of that name; most often it is misspelt. The error lists the names there are. An"
        " argument that is not known is never ignored: it would be a policy that is lost in silence.",
    ),
    Page(
        "MESH203",
        "a missing argument",
        "The object cannot mean anything without that argument, and there is no default that would be right for"
        " everyone. Add it.",
    ),
    Page(
        "MESH204",
        "a wrong value",
        "The value cannot be what the argument stands for: a duration without a unit, a percentage above 100, a path"
        " without a slash, a method that does not exist. The error says what is expected. Values are checked where"
        " they are written, because a mesh that is given a wrong one often ignores it without a word.",
    ),
    Page(
        "MESH205",
        "an unknown code in accept",
        "accept=(…) names approximations by their codes, such as MESH521. This one is not the code of anything that"
        " could be accepted, so it would accept nothing. The code stands in the error that you want to accept.",
    ),
    Page(
        "MESH206",
        "an object that is changed",
        "What a policy file declares cannot be changed afterwards: others may refer to it already, and a reader of its"
        " line would not see what it means. Give the value where the object is built. For one that depends on"
        ' something, decide first and build once: Timeout(api, "9s" if slow else "3s").',
    ),
)
