"""The AWS side of Dark Halo Scope: settings -> one stack of small constructs."""
