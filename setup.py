"""What pyproject.toml cannot say: a wheel carries data/ and notebooks/ too, and they stay where they are.

minirlhf/paths.py finds them in either place.
"""

from setuptools import find_packages, setup

SHIPPED = {"minirlhf.shipped.data": "data", "minirlhf.shipped.notebooks": "notebooks"}

setup(packages=[*find_packages(include=["minirlhf*"]), *SHIPPED], package_dir=SHIPPED)
