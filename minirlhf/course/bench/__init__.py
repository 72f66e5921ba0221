"""How quick minirlhf is, as ratios measured within one run: beside other people's code, beside the machine.

Seconds depend on the laptop and on what else it is doing; a ratio of two things measured turn by turn hardly
does. `table.py` is the command, `measure.py` takes the turns and says what is promised, `row.py` whether the
promise is kept, `ours.py` is our side of it, `trl_ppo.py` the other PPO, `trl_now.py` the other DPO and GRPO,
`generate.py` the other sampler, `partner.py` how processes take turns or compete, `machine.py` what the machine itself
can do.
"""
