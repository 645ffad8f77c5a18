"""Connection to Temporal, setup of a cluster, and the sandbox of the workflows."""
