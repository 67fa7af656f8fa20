"""The sections of the report of a grid, one function each; importing this package files them all."""

from precision.report.sections import answer as answer
from precision.report.sections import classes as classes
from precision.report.sections import comparison as comparison
from precision.report.sections import convolutions as convolutions
from precision.report.sections import cost as cost
from precision.report.sections import deployed as deployed
from precision.report.sections import elsewhere as elsewhere
from precision.report.sections import experiment as experiment
from precision.report.sections import explained as explained
from precision.report.sections import measured_energy as measured_energy
from precision.report.sections import multipliers as multipliers
from precision.report.sections import published as published
from precision.report.sections import requirements as requirements
from precision.report.sections import resources as resources
from precision.report.sections import speedup as speedup
from precision.report.sections import throughput as throughput
