"""The codes of loading policy files."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH101",
        "No such policies",
        "The path of the policies does not exist. It is `policies` beside the configuration unless `policies = …` "
        "says otherwise; with `--target` it is the argument of the command.",
    ),
    Page(
        "MESH102",
        "Policies that cannot be read",
        "The file or folder is there and the system does not let it be read. The message has the system's words. A "
        "folder is read as a whole or not at all: policies that are left out would be lost in silence.",
    ),
    Page(
        "MESH103",
        "No Python file",
        "Policies are Python files: the path must be a file that ends in `.py`, or a folder with such files at any "
        "depth. Folders whose name begins with a dot and `__pycache__` are not searched.",
    ),
    Page(
        "MESH104",
        "No policy",
        "The files were run, and at their top level they keep neither a policy nor a service, and none has a "
        "function `policies(env)`. What a file keeps is what is bound to a name, or is inside a list, tuple, dict "
        "or set that is. Objects made inside a function count only if they are returned.\n\n"
        "`meshdsl build` says it as well where there are services and routes, and no policy for any cluster. They "
        "change nothing by themselves, so such a build would make nothing, and take away what an earlier one made. "
        "With `--cluster` it is no error if a function `policies(env)` gives nothing for these clusters.",
    ),
    Page(
        "MESH105",
        "A symbolic link",
        "A link leads out of the policies folder, or to a folder. What is compiled must be what is in the folder, "
        "and must be there once. A link to a file inside the folder is followed, as in a mounted ConfigMap. Move "
        "the files into the folder.",
    ),
    Page(
        "MESH106",
        "A file and a folder of the same name",
        "`api.py` and a folder `api` with Python files are the same module. Python would import the folder and "
        "never run the file, and its policies would be lost. Rename one of them.",
    ),
    Page(
        "MESH107",
        "No such permission",
        'What policy files may do beyond computing is `"read"` (files outside the policies folder), `"write"`, '
        '`"network"` and `"subprocess"`.',
    ),
    Page(
        "MESH110",
        "A syntax error",
        "Python cannot compile the file. Line and column are Python's own; if the line looks right, look at the "
        "end of the line above, for a missing comma or bracket. Other files are still run, and what is wrong in "
        "them is reported as well.",
    ),
    Page(
        "MESH111",
        "A file that is not text",
        "The file has a null byte, or bytes that are not valid in its encoding. Save it as UTF-8.",
    ),
    Page(
        "MESH113",
        "An exception in a policy file",
        "A line of a policy file raised an exception. The innermost line of yours is shown first, the lines that "
        "led to it below. meshdsl builds nothing, because what the file would have declared after that line is not "
        "known.",
    ),
    Page(
        "MESH114",
        "Files that import each other",
        "A file imports a second that imports the first, which is not finished, so that names are missing. Where "
        "two files need each other's services, one can refer to a service by name: the string "
        '`"namespace/service"` stands for it and is checked once everything is loaded. Or move what both need into '
        "a third file.",
    ),
    Page(
        "MESH115",
        "An import that fails",
        "A module, or a name in a module, cannot be imported. The files of the folder import each other by the "
        "folder's name (`from policies.services import api`) or relatively (`from .services import api`); other "
        "packages must be installed where meshdsl is.",
    ),
    Page(
        "MESH116",
        "A policy file that ends the program",
        "The file calls `sys.exit()` or raises `SystemExit`. A policy file is imported, and what it would declare "
        "afterwards would be lost. To stop a build, raise an exception that says why.",
    ),
    Page(
        "MESH117",
        "Recursion without end",
        "A function calls itself more often than Python allows. Give the recursion an end, or write a loop.",
    ),
    Page(
        "MESH118",
        "An unknown name",
        "The line uses a name that nothing defines: it is misspelt, defined further down, or not imported. The "
        "names of meshdsl must be imported like any others: `from meshdsl import Retry`.",
    ),
    Page(
        "MESH119",
        "An unknown value of the environment",
        "`policies(env)` asks for a value that the cluster does not have. Going on with nothing would compile "
        "other policies than were meant. Name the value in the cluster's `environment` table, or say what holds "
        'without it: `env.get("replicas", 3)`. A library gives it with `Environment(replicas=3)`.',
    ),
    Page(
        "MESH120",
        "A policy that is dropped",
        "The policy or service is built and nothing keeps it: a bare expression, a list that is thrown away, a "
        "name that is bound again. It would be lost in silence. Bind it to a name of its own or put it into a list "
        "at the top level of the file; inside `policies(env)`, yield or return it.",
    ),
    Page(
        "MESH121",
        "policies is not a function or a list",
        "A name `policies` at the top level of a file is a list (or another collection) of policies, or a function "
        "that is called once for each cluster. It is something else here, which would be ignored.",
    ),
    Page(
        "MESH122",
        "policies cannot be called",
        "`policies` is called with one argument, the environment of a cluster: `def policies(env): …`. It may also "
        "take none. It is not a coroutine.",
    ),
    Page(
        "MESH123",
        "policies gives something else",
        "`policies(env)` yields policies, or returns a collection of them. It gave something else, or nothing: a "
        "forgotten `yield` or `return` makes a function return None, and its policies would be lost. For a cluster "
        "without policies return an empty list.",
    ),
    Page(
        "MESH124",
        "A generator that nothing runs",
        "A generator expression, `map` or `filter` at the top level of a file is not run by binding it to a name, "
        'so the policies it would build are never built. Write a list: `[Timeout(s, "5s") for s in services]`.',
    ),
    Page(
        "MESH125",
        "A function that may be meant to be policies",
        "The name of the function is `policies` but for a letter or two. Only `policies` is called; the function "
        "would be ignored in silence. Rename it.",
    ),
    Page(
        "MESH126",
        "Something else in a list of policies",
        "An item of `policies`, or of another list that has policies in it, is none: a function that is not called, a "
        "class without its arguments, a string. It looks like a policy and would be dropped in silence. Call the "
        "function or build the policy; keep what belongs to policies in dicts or tuples of another name.",
    ),
    Page(
        "MESH130",
        "Something that a policy file may not do",
        "Policy files are run when they are compiled, also those of a pull request in CI, and they must give the "
        "same result tomorrow and elsewhere. So they may not use the network, start processes or threads, write, "
        "or read files outside their folder. The build fails even if the file catches the exception. A project "
        'that needs it says so: `permit = ["read"]` in the configuration. The guard catches accidents; it is no '
        "sandbox, which Python does not have.",
    ),
    Page(
        "MESH131",
        "A build that is not reproducible",
        "`meshdsl build --check` compiles a second time in a process with another hash seed, clock, locale, user, "
        "environment and order of folders. Something came out differently, so the policies depend on what is not in "
        "them, and nobody can tell from a review what a cluster will get. Iterate over `sorted(…)` where order comes "
        "from a set or a folder, and write values into the cluster's `environment` table instead of taking them from "
        "the clock, from random numbers or from environment variables.",
    ),
    Page(
        "MESH140",
        "A warning of Python's",
        "Python or a library warns of this line. The build goes on. The message has its words.",
    ),
)
