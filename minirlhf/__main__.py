"""`python -m minirlhf`, which is how `torchrun` starts it: torchrun --nproc-per-node 2 -m minirlhf demo"""

import sys

from minirlhf.course.cli import main

if __name__ == "__main__":
    sys.exit(main())
