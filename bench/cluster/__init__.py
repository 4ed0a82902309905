"""A whole cluster on this machine: every role of deploy/compose.yaml as processes on hosts of their own.

    python -m bench.cluster.show     start it, load an archive of 12 months, print the QA table, stop it
    python -m bench.cluster          measure 1, 2 and 4 workers
    python -m bench.drill.cluster    disturb it in every way

How it is put together:

    isolation.py   run a command in namespaces that end with it, or plainly where that is not permitted
      hosts.py     hosts and the network between them; starting programs, freezing, killing, cutting off
        servers.py   PostgreSQL, SeaweedFS and Valkey on hosts
        roles.py     the project's own processes on hosts, and launching runs through them

Glossary:
    host        a network, a disk and a host name of its own; without namespaces a folder and a port
    bridge      the network of the hosts; this process is on it as the host's "outside", at BRIDGE_ADDRESS
    workstation the host from which an administrator's commands run
"""
