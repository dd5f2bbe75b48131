"""One folder a function; handler.py: event in, one call, event out.

Every function but `plan` takes {"request": RunRequest, ...}. An InputError is final; the state machine
retries a TransientError, which Lambda reports by its class name.
"""
