"""The far side and the way to it: types, wire, client, gateway, scheduler, ledger, spawners, agent."""
