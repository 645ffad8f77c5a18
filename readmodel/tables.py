"""All tables of the read model: whoever imports this has the metadata of each. Every instant is UTC.

Most rows follow from events and can be written again. Others do not: customers, from the company's own files; results
of deliveries; marks of the reconciler; people and their keys; keys of processes; calls, call-backs; duties; reports;
handovers; the claim of the courier.
"""

import readmodel.assessments.months
import readmodel.calls.tables
import readmodel.cases.tables
import readmodel.customers
import readmodel.incidents
import readmodel.notifications
import readmodel.people.people
import readmodel.people.workload
import readmodel.processes
import readmodel.reports.reports  # noqa: F401 - for the metadata
from readmodel.base.schema import metadata as metadata  # noqa: PLC0414 - exported
