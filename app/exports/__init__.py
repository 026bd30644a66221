"""A clinician's series as files, made from what the browser sends back; nothing of them is kept."""
