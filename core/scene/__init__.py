"""What the user wired into a sampler, and its checks."""
