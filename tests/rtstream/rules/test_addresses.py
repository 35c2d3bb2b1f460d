from ipaddress import ip_address, ip_network
from pathlib import PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from rtstream.errors import InvalidRequest
from rtstream.rules.addresses import (
    Allowed,
    check_addresses,
    check_local_path,
    parse_allowed,
)

NOTHING = Allowed()


LOOPBACK = [
    "127.0.0.1",
    "127.255.0.3",
    "::1",
    "::ffff:127.0.0.1",
    "64:ff9b::7f00:1",
    "2002:7f00:1::",
    "2606:4700::5efe:7f00:1",
]
PRIVATE = [
    "10.1.2.3",
    "172.31.255.255",
    "192.168.0.1",
    "100.64.0.1",
    "fd12::1",
    "::ffff:10.0.0.1",
    "239.1.1.1",
    "ff05::2",
    "2606:4700::200:5efe:a00:1",
    "2002:c0a8:1::1",
    "64:ff9b::192.168.0.1",
]
NEVER_BY_WORDS = [
    "169.254.169.254",
    "fe80::1",
    "fe80::1%eth0",
    "::ffff:169.254.169.254",
    "64:ff9b::a9fe:a9fe",
    "fd00:ec2::254",
    "fd20:ce::254",
    "fe80::a9fe:a9fe",
    "169.254.170.2",
    "100.100.100.200",
    "168.63.129.16",
    "0.0.0.0",
    "::",
    "::ffff:0.0.0.0",
    "224.0.0.1",
    "ff02::1",
    "255.255.255.255",
    "240.0.0.1",
    "192.0.2.1",
    "198.18.0.1",
    "2001:db8::1",
    "2001::1",
    "::7f00:1",
    "64:ff9b:1::a00:1",
    "64:ff9b:1:a00:0:100::",
    "fec0::1",
    "192.88.99.1",
    "192.0.0.8",
    "192.0.0.9",
    "0.0.0.1",
    "3fff::1",
    "::ffff:0:7f00:1",
    "2001:0:7f00:1::1",
    "2002:a9fe:a9fe::",
    "fe80::5efe:a00:1",
    "fe80::200:5efe:8.8.8.8",
    "2606:4700::5efe:a9fe:a9fe",
    "ff0e::1",
]


@pytest.mark.parametrize("address", LOOPBACK + PRIVATE + NEVER_BY_WORDS)
def test_an_address_that_is_not_public_is_refused_unless_allowed(address: str) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_ALLOW_NETWORKS="):
        check_addresses([address], NOTHING)
    with pytest.raises(InvalidRequest):
        check_addresses(["93.184.216.34", address], NOTHING)
    with pytest.raises(InvalidRequest):
        check_addresses([address], NOTHING, "webhook")


def test_public_addresses_need_no_setting() -> None:
    check_addresses(["93.184.216.34", "2606:2800:220:1::1", "64:ff9b::5db8:d822"], NOTHING)
    check_addresses(["2606:4700::5efe:808:808", "2002:808:808::1"], NOTHING)


def test_the_words_open_private_networks_and_this_machine_apart() -> None:
    check_addresses(PRIVATE, parse_allowed("private"))
    check_addresses(LOOPBACK, parse_allowed("loopback"))
    check_addresses(PRIVATE + LOOPBACK, parse_allowed(" Private , loopback"))
    for address in PRIVATE:
        with pytest.raises(InvalidRequest, match="ALLOW_NETWORKS=private"):
            check_addresses([address], parse_allowed("loopback"))
    for address in LOOPBACK:
        with pytest.raises(InvalidRequest, match="ALLOW_NETWORKS=loopback"):
            check_addresses([address], parse_allowed("private"))


@pytest.mark.parametrize("address", NEVER_BY_WORDS)
def test_link_local_metadata_and_special_addresses_open_only_by_their_range(address: str) -> None:
    with pytest.raises(InvalidRequest) as failure:
        check_addresses([address], parse_allowed("private,loopback"))
    setting = failure.value.message.rsplit("=", 1)[1].rstrip(".")
    check_addresses([address.split("%")[0]], parse_allowed(setting))


def test_a_range_opens_itself_and_nothing_else() -> None:
    allowed = parse_allowed("192.168.1.0/24, fd12::/16")
    check_addresses(["192.168.1.77", "::ffff:192.168.1.77", "fd12::9"], allowed)
    with pytest.raises(InvalidRequest):
        check_addresses(["192.168.2.77"], allowed)


@pytest.mark.parametrize(
    ("address", "setting"),
    [
        ("100.100.100.200", "private,100.64.0.0/10"),
        ("169.254.169.254", "private,169.254.0.0/16"),
        ("::ffff:169.254.169.254", "169.254.0.0/16,::ffff:0:0/96"),
        ("fd00:ec2::254", "private,fd00::/8"),
        ("fe80::a9fe:a9fe", "fe80::/10"),
    ],
)
def test_a_wide_range_that_contains_a_metadata_service_does_not_open_it(address: str, setting: str) -> None:
    for purpose in ("stream", "webhook"):
        with pytest.raises(InvalidRequest, match="metadata"):
            check_addresses([address], parse_allowed(setting, purpose), purpose)
    embedded = ip_address(address)
    check_addresses([address], parse_allowed(f"{getattr(embedded, 'ipv4_mapped', None) or embedded}"))


@pytest.mark.parametrize("address", LOOPBACK + PRIVATE + NEVER_BY_WORDS)
def test_a_refused_webhook_names_the_setting_of_webhooks(address: str) -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_WEBHOOK_ALLOW_NETWORKS=") as failure:
        check_addresses([address], NOTHING, "webhook")
    setting = failure.value.message.rsplit("=", 1)[1].rstrip(".")
    check_addresses([address.split("%")[0]], parse_allowed(setting, "webhook"), "webhook")


def test_a_webhook_setting_that_is_no_network_is_named() -> None:
    with pytest.raises(InvalidRequest, match=r"RTSTREAM_WEBHOOK_ALLOW_NETWORKS takes.*'true' is none of these"):
        parse_allowed("true", "webhook")


def test_a_host_without_addresses_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="has no address"):
        check_addresses([], parse_allowed("private"))


def test_a_setting_that_is_no_network_is_named() -> None:
    with pytest.raises(InvalidRequest, match="'lan' is none of these"):
        parse_allowed("private,lan")


@given(st.ip_addresses(v=4) | st.ip_addresses(v=6))
def test_what_python_calls_not_global_never_passes_by_default(address: object) -> None:
    """A 6to4 address counts as the IPv4 address in it. Newer versions of Python call none of them global."""
    parsed = ip_address(str(address))
    if not (getattr(parsed, "sixtofour", None) or parsed).is_global:
        with pytest.raises(InvalidRequest):
            check_addresses([str(address)], NOTHING)
    # the whole address space named in the setting lets everything through
    check_addresses([str(address)], Allowed(networks=(ip_network("0.0.0.0/0"), ip_network("::/0"))))


FOLDERS = [PurePosixPath("/media"), PurePosixPath("/srv/clips")]


@pytest.mark.parametrize("path", ["/media/a.ts", "/srv/clips/x/y.mp4"])
def test_a_file_below_a_media_folder_may_be_opened(path: str) -> None:
    check_local_path(PurePosixPath(path), FOLDERS)


@pytest.mark.parametrize("path", ["/etc/passwd", "/mediaevil/a.ts", "/media/../etc/passwd", "/srv/a", "/"])
def test_a_file_outside_the_media_folders_may_not(path: str) -> None:
    with pytest.raises(InvalidRequest, match="outside the media folders"):
        check_local_path(PurePosixPath(path), FOLDERS)


def test_without_media_folders_no_local_file_may_be_opened() -> None:
    with pytest.raises(InvalidRequest, match="RTSTREAM_MEDIA_FOLDERS"):
        check_local_path(PurePosixPath("/media/a.ts"), [])
