"""Time: optical flow, cuts, and what earlier frames say of the next one."""
