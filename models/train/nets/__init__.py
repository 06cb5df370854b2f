"""The two nets and their losses."""
