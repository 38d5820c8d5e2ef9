"""Many runs. Configs enter; finished run directories leave.

Start with ``grid``: which configs a study has. ``run`` carries out one of them, in a notebook or in this process;
``pool`` keeps several going in processes of their own, skips what is finished and resumes what is not. ``sweep`` plans
the runs around a recipe that show what a result depends on, ``tuning`` searches each arm's settings, and ``budget``
turns seconds into generator steps, so that all arms of a study get the same compute.
"""
