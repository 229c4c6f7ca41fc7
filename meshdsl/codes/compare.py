"""The codes of reading manifests to compare with."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH821",
        "Manifests that cannot be read",
        "The file or folder to compare with is not there, or the system does not let it be read; the message has the "
        "system's words. A folder is read as a whole or not at all: an object that is left out would look as if it "
        "were not there. `-` reads standard input.",
    ),
    Page(
        "MESH822",
        "Broken YAML or JSON",
        "The text is no YAML, or no JSON, at the line that is named. Dumps are often cut off when a command fails "
        "half-way: `kubectl get … -o yaml > dump.yaml` leaves what there was. Nothing of the file is used, because the "
        "rest of it would look as if it were not there. Values that JSON does not have (`.inf`, `!!binary`) are "
        "refused as well; kubectl refuses them too.",
    ),
    Page(
        "MESH823",
        "A key that is there twice",
        "One mapping has the same key twice. YAML libraries take the last one without a word, and Kubernetes refuses "
        "such a manifest, so which of the two holds cannot be told. Keep one of them.",
    ),
    Page(
        "MESH824",
        "Manifests that are too large",
        "A dump is somebody else's data, so reading it is bounded: 256 MiB in all, ten million values, 100 levels of "
        "nesting, and 100,000 values that YAML aliases may stand for in one document (a few hundred bytes of aliases "
        "can stand for billions). No API server keeps such objects. Dump only the kinds and namespaces that the "
        "policies are about.",
    ),
    Page(
        "MESH825",
        "Not a Kubernetes object",
        "A document has no `apiVersion`, `kind` and `metadata.name`, or is no mapping at all. A folder to compare with "
        "holds Kubernetes manifests and nothing else; values files and templates of Helm are not manifests: render "
        "them first. Secrets are skipped and never shown, and so are kustomization files.",
    ),
    Page(
        "MESH826",
        "An object that is there twice",
        "Two documents have the same kind, namespace and name. Which of them a cluster would have depends on the order "
        "in which they are applied, so they are not compared. Often the folder is that of several clusters: name the "
        "folder of one. An object that a dump shows in two API versions is the same object.",
    ),
    Page(
        "MESH827",
        "No manifests",
        "The folder has no file that ends in `.yaml`, `.yml` or `.json`, at any depth; names that begin with a dot are "
        "not searched. Or the file, or standard input, is empty: the command that was to write the dump has most often "
        "failed. An empty comparison would say that everything is to be created, so it is refused. Name the folder "
        "that holds the manifests, or write the dump again. A folder whose files hold no object is compared: it says "
        "that nothing is there.",
    ),
    Page(
        "MESH828",
        "Not UTF-8",
        "The file is not UTF-8, so names in it could be misread. PowerShell writes UTF-16 when output is redirected; "
        "write the file with `Out-File -Encoding utf8`, or convert it.",
    ),
)
