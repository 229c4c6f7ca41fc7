"""The codes of writing output."""

from __future__ import annotations

from meshdsl.codes.page import Page

PAGES: tuple[Page, ...] = (
    Page(
        "MESH701",
        "A value that has no YAML",
        "An object holds something that not every reader of YAML would read back as it is: a string with half a "
        "surrogate pair, a number that is not finite or passes 64 bits, a key of more than 1,000 characters, or "
        "nesting of more than 100 levels. kubectl would refuse it or, worse, take it for something else. "
        "The message names the object, and the line is the policy it comes from: change the value there. "
        "If no value in that policy looks like this, it is a bug in meshdsl.",
    ),
    Page(
        "MESH702",
        "A path that output cannot have",
        "Files are named after namespaces and services: `NAMESPACE/SERVICE.yaml`, `NAMESPACE/_namespace.yaml` and "
        "`_mesh.yaml`. Each part is lower-case letters, digits, '-' and '.', as Kubernetes names are, so no path "
        "leaves the output folder and no two paths are one file where case does not count. "
        "A program that writes its own paths must keep to these names.",
    ),
    Page(
        "MESH703",
        "Something else stands in the way",
        "The output folder, or the folder of a namespace in it, is a file; or a file that is to be written is a "
        "folder, a pipe or a device. Nothing was written. Move it away, or choose another output folder.",
    ),
    Page(
        "MESH704",
        "Output through a symbolic link",
        "The output folder, a folder in it or a file in it is a symbolic link. Writing through a link could change "
        "files anywhere on the machine, for instance when a pull request brings the link along, so meshdsl never "
        "does. Nothing was written. Replace the link by a real folder or file, or name its destination as the output "
        "folder.",
    ),
    Page(
        "MESH705",
        "A file that is not ours",
        "A file that is to be written exists already and does not open with meshdsl's header line, so somebody else "
        "wrote it, or its first line was changed. Nothing was written, because what is in it would be lost. "
        "Move the file away or delete it, and build again. "
        "If it was generated once, its first line was edited or a merge left a conflict mark there: delete it.",
    ),
    Page(
        "MESH706",
        "Output that cannot be read",
        "A folder or file of the output cannot be read, so meshdsl cannot tell whether it is up to date or whether it "
        "is ours. Nothing was written. The reason is what the system answered. Give the user that builds the right to "
        "read it.",
    ),
    Page(
        "MESH707",
        "Output that cannot be written",
        "The output folder or a folder in it cannot be changed by the user that builds: permissions, an immutable "
        "flag, or a read-only file system. Almost always this is found before anything is written; if not, the "
        "message names the files that were written before. Each of these is whole. Give the user the right to write, "
        "or choose another output folder.",
    ),
    Page(
        "MESH708",
        "No room for the output",
        "The disk or the quota is full, or a file would pass the largest size that the process may write. All new "
        "files are written beside the old ones before the first old one is replaced, so the output is still "
        "what it was. Make room and build again.",
    ),
    Page(
        "MESH709",
        "The system could not write the output",
        "The system answered a write with an error that is neither missing room nor missing permission, such as an "
        "input/output error of the disk. Files are replaced whole or not at all, and the message names those "
        "that were replaced before the error. Find out what is wrong with the disk and build again: the next build "
        "completes the output.",
    ),
    Page(
        "MESH710",
        "Another build is writing here",
        "Two builds that write the same folder take turns, and this one has waited for its turn long enough. Wait for "
        "the other build, or end it; its lock ends with it, and there is no lock file to remove. "
        "If no other build runs, the folder is on a network file system that does not lock folders: build into a "
        "local folder.",
    ),
)
