"""What all bodies of a run share."""

from dataclasses import dataclass

from orchcore.execution.asking import Office
from orchcore.execution.control import Control
from orchcore.execution.janitor import Janitor
from orchcore.execution.opening import Opened
from orchcore.execution.reusing import Reuse
from orchcore.planning.plan import Plan


@dataclass(frozen=True, slots=True)
class Scene:
    """What all bodies of a run share.

    Attributes:
        plan: For parameters and the options of steps.
        office: Turns and commands.
        opened: The run's resources.
        janitor: Ends bodies that are cut, and tasks that they forget.
        control: Says whether the run is to end.
        reuse: Finds results that need not be made again.
    """

    plan: Plan
    office: Office
    opened: Opened
    janitor: Janitor
    control: Control
    reuse: Reuse
