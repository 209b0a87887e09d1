"""IPFilter: rules of ipnat.conf(5), and the tables of every zone's stack."""
