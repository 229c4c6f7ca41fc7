"""The codes of configuration and the command line."""

from __future__ import annotations

from meshdsl.codes.page import Page

_COMMANDS: tuple[Page, ...] = (
    Page(
        "MESH051",
        "No such cluster",
        "`--cluster` names a cluster that the configuration does not have. A name is never guessed at, because "
        "manifests of another cluster could be applied. The clusters are the tables below "
        "`[tool.meshdsl.clusters]`; the message lists them.",
    ),
    Page(
        "MESH061",
        "An output file is missing",
        "`meshdsl build --check` compares what the policies say with what is in the output folder, and this file "
        "is not there. Somebody changed a policy and did not build, or did not commit what the build wrote. "
        "Run `meshdsl build` and commit the output folder.",
    ),
    Page(
        "MESH062",
        "An output file is not what the policies say",
        "The file differs from what the policies compile to. Either a policy changed and nobody built, or somebody "
        "edited the file by hand: it would be applied as it is, and the next build would undo it. "
        "Move a change that is meant to stay into the policies, run `meshdsl build`, and commit the output folder.",
    ),
    Page(
        "MESH063",
        "An output file is stale",
        "The file was made by an earlier build, and no policy makes it any more. If it is applied, it still does what "
        "nobody asks for. `meshdsl build` removes it. Or a whole folder belongs to a cluster that is not configured: "
        "that a build leaves alone, because the cluster may be missing by mistake, or a program may have written the "
        "folder; delete it yourself, or add the cluster. Only files that open with the mark of meshdsl are ever called "
        "stale.",
    ),
    Page(
        "MESH071",
        "No such service",
        "A service is written as `NAMESPACE/NAME`, as it is declared with `Service(…)`. The policies declare no "
        "service of that name, or no such caller or namespace, for this cluster. The message names the nearest one.",
    ),
    Page(
        "MESH072",
        "No such code or kind",
        "`meshdsl explain` takes a code such as `MESH512`, a kind such as `Canary`, or a service as NAMESPACE/SERVICE, "
        "and this is none of them. `meshdsl explain --codes` lists all codes, `--kinds` all kinds.",
    ),
    Page(
        "MESH081",
        "init would overwrite a file",
        "`meshdsl init` makes a small repository and overwrites nothing: if any of its files is already there, it "
        "writes none of them. Choose an empty folder; to add meshdsl to a repository, copy the `[tool.meshdsl]` "
        "tables and the `policies` folder from one.",
    ),
    Page(
        "MESH082",
        "init cannot write",
        "The folder cannot be made or written: permissions, a full disk, or a file where a folder is needed. "
        "The message has the system's own words. Files already written stay; remove them before trying again.",
    ),
)

_CONFIGURATION: tuple[Page, ...] = (
    Page(
        "MESH001",
        "No configuration",
        "`meshdsl` looks for a `meshdsl.toml`, or a `pyproject.toml` with a table `[tool.meshdsl]`, in the folder "
        "it is given and in every folder above, as ruff does. There is none. Run `meshdsl init` for a new "
        "repository, write the table, or compile for a mesh without any configuration: `meshdsl build --target "
        "istio`.",
    ),
    Page(
        "MESH002",
        "A configuration that cannot be read",
        "The file cannot be opened, is not UTF-8, or is not TOML. The message has the words of the system or of "
        "Python's TOML parser, with the line.",
    ),
    Page(
        "MESH003",
        "Two configurations",
        "A folder has a `meshdsl.toml` and a `pyproject.toml` with `[tool.meshdsl]`. Only one could be read, and "
        "settings of the other would be ignored in silence. Keep one of them.",
    ),
    Page(
        "MESH004",
        "No such setting",
        "The configuration has a key that meshdsl does not know, or a cluster has one that belongs to another "
        "target. A setting that is misspelt and ignored would change what a cluster gets, so it is refused. The "
        "message names the nearest setting; those of a target are the fields of its profile.",
    ),
    Page(
        "MESH005",
        "A setting with a wrong value",
        "A setting is of the wrong type or is not one of the values it can have. Versions are strings, because "
        "TOML reads 1.30 as the number 1.3. The names `cluster` and `target` of an environment are given by "
        "meshdsl itself.",
    ),
    Page(
        "MESH006",
        "The output and its sources overlap",
        "`out` contains the policies or the project, or is inside the policies folder. The output folder is "
        "meshdsl's own: files of ours that are no longer produced are removed from it. Give it a folder of its "
        'own, such as `out = "out"`.',
    ),
    Page(
        "MESH007",
        "A cluster's name",
        "The name of a cluster is the name of its folder in the output, and is shown in every report. It is a DNS "
        "label: lower-case letters, digits and `-`, at most 63 characters.",
    ),
    Page(
        "MESH008",
        "No cluster",
        "The configuration names no cluster, so there is nothing to compile for. Add a table for each: "
        '`[tool.meshdsl.clusters.prod]` with `target = "istio"`; or compile without clusters, with `--target`.',
    ),
    Page(
        "MESH009",
        "No such target",
        'The `target` of a cluster is `"istio"` (with sidecars), `"ambient"` (Istio without) or `"linkerd"`. '
        "Nothing is assumed where it is missing: policies compiled for the wrong mesh are accepted by the API "
        "server and do nothing.",
    ),
    Page(
        "MESH010",
        "A profile that the target does not have",
        "The profile of a target (its version, domains, Gateway API channel and so on) decides what correct output "
        "is. The message says what the target does not take: most often a version that this meshdsl does not know.",
    ),
    Page(
        "MESH011",
        "No name",
        "The name of the policy set is written on every object as the label `meshdsl.dev/set`, and `meshdsl diff` "
        "finds by it what is no longer made. So it must not depend on what the folder of a clone is called, and two "
        "repositories that apply to one cluster need two names: with one name, each would show the other's objects as "
        'deletions. Write `name = "shop"`. In a `pyproject.toml` the name of the project is the default.',
    ),
)

PAGES: tuple[Page, ...] = (*_CONFIGURATION, *_COMMANDS)
