"""What probes measured: tables with named arrays, how they are saved, and how rows of them are selected."""
