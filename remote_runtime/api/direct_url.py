"""Where a package came from, by PEP 610; standard library only."""

from __future__ import annotations

import json


def requirement(name: str, version: str, direct_url: str | None, *, keep_files: bool = False) -> str | None:
    """What installs the same again; `direct_url` is what ``direct_url.json`` says, which packages of an index lack.

    None for what exists on this machine alone; with `keep_files`, an archive that lies here counts as there.
    """
    if direct_url is None:
        return f"{name}=={version}"
    try:
        facts = json.loads(direct_url)
        url = str(facts["url"])
        if "vcs_info" in facts:
            vcs = facts["vcs_info"]
            subdirectory = f"#subdirectory={facts['subdirectory']}" if facts.get("subdirectory") else ""
            return f"{name} @ {vcs['vcs']}+{url}@{vcs['commit_id']}{subdirectory}"
    except (ValueError, KeyError, TypeError):
        return None
    is_kept = url.startswith(("http://", "https://")) or (keep_files and "archive_info" in facts)
    return f"{name} @ {url}" if is_kept else None
