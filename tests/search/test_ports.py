import ipaddress

import psutil


def test_a_local_ray_listens_on_loopback_only(ray: None) -> None:
    processes = [psutil.Process(), *psutil.Process().children(recursive=True)]
    addresses = {
        connection.laddr.ip
        for process in processes
        for connection in process.net_connections(kind="inet")
        if connection.status == psutil.CONN_LISTEN
    }
    assert addresses
    outward = {ip for ip in addresses if not ipaddress.ip_address(ip.removeprefix("::ffff:")).is_loopback}
    assert not outward
