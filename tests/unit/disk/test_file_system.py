"""The kind of file system that a folder is on."""

from __future__ import annotations

from pathlib import Path

import pytest

from octoffm_async.disk.file_system import remote_file_system

MOUNTS = r"""
22 1 254:0 / / rw,relatime - ext4 /dev/vda rw
30 22 0:40 / /srv rw,relatime shared:1 - nfs4 server:/export rw
31 30 0:41 / /srv/local rw,relatime - xfs /dev/vdb rw
32 22 0:42 / /mnt/a\040b rw - cifs //server/share rw
33 22 0:43 / /over rw - nfs server:/x rw
34 22 0:44 / /over rw - tmpfs tmpfs rw
""".lstrip()


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/var/lib/octoffm", None),
        ("/srv", "nfs4"),
        ("/srv/state", "nfs4"),
        ("/srvx", None),
        ("/srv/local/state", None),
        ("/mnt/a b/state", "cifs"),
        ("/over/it", None),
    ],
)
def test_the_mount_that_is_seen_counts(tmp_path: Path, folder: str, kind: str | None) -> None:
    (tmp_path / "mountinfo").write_text(MOUNTS)
    assert remote_file_system(Path(folder), mounts=tmp_path / "mountinfo") == kind


def test_where_the_system_shows_nothing_nothing_is_known(tmp_path: Path) -> None:
    assert remote_file_system(tmp_path, mounts=tmp_path / "none") is None
    assert remote_file_system(tmp_path) is None
