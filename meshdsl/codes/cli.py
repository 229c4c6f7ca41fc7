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
        "The file was made by an earlier build, and no policy makes it any more; or it is in the folder of a cluster "
        "that is no longer configured. If it is applied, it still does what nobody asks for. "
        "`meshdsl build` removes it. Only files that open with the mark of meshdsl are ever called stale.",
    ),
    Page(
        "MESH071",
        "No such service",
        "`meshdsl explain` takes a service as `NAMESPACE/NAME`, as it is declared with `Service(…)`. "
        "The policies declare no service of that name for this cluster. The message names the nearest one.",
    ),
    Page(
        "MESH072",
        "No such code",
        "`meshdsl explain` takes a code such as `MESH512`, and there is no page for this one. "
        "`meshdsl explain --codes` lists all codes.",
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
        "The message has the system's own words. Files that were already written stay; remove them before trying again.",
    ),
)

PAGES: tuple[Page, ...] = _COMMANDS
