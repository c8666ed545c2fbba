"""How well the motion of a clip follows its sound."""
