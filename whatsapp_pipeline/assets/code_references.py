"""Links from an asset to its source code, which Dagster shows on the asset's page.

What belongs here: finding the source of an asset. What does not: the assets.
"""

# Do not add `from __future__ import annotations`: Dagster needs parameter types as objects, not as text.
import warnings
from collections.abc import Sequence
from typing import TypeAlias

import dagster as dg

from whatsapp_pipeline import settings

_Asset: TypeAlias = dg.AssetsDefinition | dg.AssetSpec


def with_code_references(assets: Sequence[_Asset], code_url: str | None) -> list[_Asset]:
    """Return the assets with a link to their source.

    Args:
        assets: The assets of the code location. External assets have no source and are not changed.
        code_url: The address of the source at GitHub or GitLab, with its revision: CODE_URL. Without it the
            links name files on this machine, which an editor opens.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", dg.BetaWarning)  # tests check the behaviour of these beta functions
        linked = dg.with_source_code_references(assets)
        if code_url is not None:
            repository, revision = _parts(code_url)
            linked = dg.link_code_references_to_git(
                linked,
                git_url=repository,
                git_branch=revision,
                platform="gitlab" if "/-/tree/" in code_url else "github",
                file_path_mapping=dg.AnchorBasedFilePathMapping(settings.PROJECT_ROOT, ""),
            )
    return list(linked)  # type: ignore[arg-type]  # the functions return what they were given


def _parts(code_url: str) -> tuple[str, str]:
    """Return the repository and the revision of CODE_URL, whose form the settings have checked."""
    repository, _, revision = code_url.replace("/-/tree/", "/tree/").partition("/tree/")
    return repository, revision
