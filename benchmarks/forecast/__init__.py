"""The study behind gradflow's forecast: how often its verdicts are right on networks that were really trained."""
