"""Grading from outside the student's process.

    grader's process (trusted)                   zygote's file tree (nothing secret in it)
    +----------------------------------+         +--------------------------------------------------+
    | runner      walks the notebook   | request | zygote      torch, numpy, matplotlib, IPython,   |
    |             cell by cell         | to fork |             coursekit imported; one thread       |
    | test cells, hidden tests,        |-------->|   | fork                                         |
    | oracles, points, misconceptions  |         |   v                                              |
    |                                  |  wire   | supervisor (one a submission: memory, kill)      |
    | proxy       handles of the       |<=======>|   | fork into own user, pid, net, ipc namespaces |
    |             student's objects    |         |   v                                              |
    +----------------------------------+         | student     runs the notebook's cells            |
          |                      ^               |   | fork at every test cell                      |
          v                      | wires         |   v                                              |
       Record                    +==============>| copies      the same process as it was there     |
                                                 +--------------------------------------------------+

Order of a submission: first ALL cells of the student run, and at each test cell the student's process makes a
copy of itself, which waits. Then the outputs are sealed, and only now are the test cells run, in the
judge, one after the other in the order of the source, each against its copy. So no output can hold a hidden
input, a test that crashes or hangs its copy costs no other test a point, and a test sees the names as they
stood at its place in the notebook.

What crosses a wire is data only (`wire`, `values`): None, bool, int, float, complex, str, bytes, dense
tensors and arrays, `torch.Size`, dtypes, devices, slices, random generators by state, and list, tuple,
dict and set of these. Anything else of the student's stays where it is and is named by a handle
(`proxy`). Callables of the test that are passed as arguments can be called back. Nothing that comes from
a student is unpickled, evaluated or imported, and every message is checked against a schema and limits.

`runner.run_submission` grades one notebook and returns a `record.Record`.
"""
