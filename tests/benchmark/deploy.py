"""The same work as site.yaml, as far as pyinfra has operations for it."""

from pyinfra.operations import apt, files, server, systemd

APP = "shop"
DATA = {"app": APP, "port": 8080, "workers": 4}

server.group(name="Group", group=APP, system=True)
server.user(name="User", user=APP, group=APP, system=True, home=f"/opt/{APP}", create_home=False, shell="/usr/sbin/nologin")
for path in (f"/opt/{APP}", f"/opt/{APP}/releases", f"/etc/{APP}"):
    files.directory(name=f"Folder {path}", path=path, user=APP, group=APP, mode="755")
apt.packages(name="Packages", packages=["curl", "unzip", "ca-certificates"], present=True)
files.put(name="Program", src="files/server.sh", dest=f"/opt/{APP}/server", mode="755")
configuration = files.template(name="Configuration", src="templates/app.conf.j2", dest=f"/etc/{APP}/app.conf", user=APP, mode="640", **DATA)
environment = files.template(name="Environment", src="templates/env.j2", dest=f"/etc/default/{APP}", mode="644", **DATA)
files.link(name="Release link", path=f"/opt/{APP}/current", target=f"/opt/{APP}/releases")
files.line(name="A limit", path="/etc/security/limits.conf", line=f"{APP} soft nofile 4096")
files.block(name="Names", path="/etc/hosts", content="10.255.0.1 db\n10.255.0.2 cache")
files.replace(name="Login messages", path="/etc/login.defs", text=r"^UMASK\s+022", replace="UMASK 027")
unit = files.template(name="Unit", src="templates/shop.service.j2", dest=f"/etc/systemd/system/{APP}.service", mode="644", **DATA)
files.directory(name="Log folder", path=f"/var/log/{APP}", user=APP, mode="750")
systemd.service(name="Service", service=APP, running=True, enabled=True, daemon_reload=True)
