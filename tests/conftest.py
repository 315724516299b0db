"""What holds for all tests."""

import atexit
import os
import shutil
import tempfile

from hypothesis import HealthCheck, settings

# what is known of the limits of accounts is nobody's but ours, and no other test's
os.environ["XDG_STATE_HOME"] = tempfile.mkdtemp(prefix="orchcore-state-")
atexit.register(shutil.rmtree, os.environ["XDG_STATE_HOME"], ignore_errors=True)

# a loaded machine is no counter-example
settings.register_profile("any-speed", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("any-speed")
