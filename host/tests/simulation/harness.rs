//! What tests ask of the simulation itself: its beginnings, its record of requests, its snapshot, and failures on demand.
