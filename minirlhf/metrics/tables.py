"""What each number is and what healthy looks like, in words: a table that all stages share, and one for each stage.

Two lines a number:

    field | unit | TRL's name | the zone in which nobody need look closer
    What it is. | what healthy looks like

Where a number has TRL's name but is counted otherwise, its sentence says so. For PPO, TRL is 1.12.0 here, the last
with a PPOTrainer; its `policy/…` and `val/…` average over padding too, ours only over tokens that count. For DPO, KTO
and GRPO it is 1.16.0.
"""

from minirlhf.classify import ClassifierRecord
from minirlhf.dpo import DPORecord
from minirlhf.grpo import GRPORecord
from minirlhf.kto import KTORecord
from minirlhf.ppo import PPORecord
from minirlhf.reinforce import ReinforceRecord
from minirlhf.reward import RewardRecord
from minirlhf.sft import SFTRecord

Record = PPORecord | SFTRecord | RewardRecord | ReinforceRecord | ClassifierRecord | DPORecord | KTORecord | GRPORecord

SHARED = """
update
How many batches were sampled and learned from so far. | counts up
step
How many minibatches were learned from so far. | counts up
score | score | objective/scores
What the reward model or rule gave, in its own units. | rises; see whether the gold score rises with it
kl | nats a reply | objective/kl
How far the policy is from the reference: log π - log π_ref, summed over a reply. | \
exactly 0 at update 1, then rises; lastingly below -1 is a bug
non_score_reward | score | objective/non_score_reward
What the KL penalty costs: -β times the KL. | 0 at update 1, then below; smaller than what the score has gained
rlhf_reward | score | objective/rlhf_reward
What is maximised: the score minus β times the KL. | keeps rising
beta | score a nat
How strong the KL penalty is. | stays, or settles where a KL is aimed at
entropy | nats a reply | objective/entropy
How unlikely the sampled replies were: -log π, summed over a reply. | falls slowly
nll | nats a token
How unlikely the sampled tokens were, on average: an estimate of the policy's entropy. | \
falls slowly; near 0 within a few updates is collapse
response_length | tokens
How long replies are, their end-of-text counted. | stable; creeping up means that length is being paid for
ended | share of replies | | 0.9 1
How many replies came to an end of their own; times the batch size, TRL's val/num_eos_tokens. | stable, near 1
policy_loss | | loss/policy_avg
The clipped loss; advantages are whitened, so its size says nothing about quality. | near 0, slightly negative
value_loss | score² | loss/value_avg
Half the squared distance from the value model's guesses to the returns. | falls
policy_entropy | nats a token | policy/entropy_avg
How open the choice of the next token is; ln V if all were equally likely. | \
falls slowly; near 0 within a few updates is collapse
approx_kl | nats a token | policy/approxkl_avg | 0 0.02
How far the policy moved from where it sampled: half the squared log-ratio. | below 0.02; above 0.05 it moves too fast
clip_fraction | share of tokens | policy/clipfrac_avg | 0.01 0.2
Where the clip held the policy back, being the worse branch of the loss. | \
0.01 to 0.2; above 0.3 steps are too large, always 0 is a bug
outside_clip | share of tokens
Where the ratio left 1 ± clip in either direction; CleanRL's clipfrac. | somewhat above clip_fraction
ratio | | val/ratio | 0.98 1.02
π(token) / π_old(token), on average. | floats around 1; 2 or 0.1 is a bug
ratio_variance | | val/ratio_var
How much the ratio varies between tokens; TRL's varies between minibatch means, far less. | \
small; large when a few tokens run away
first_ratio | | | 0.99999 1.00001
The ratio on an update's first minibatch, before any step. | \
exactly 1; else sampling and training disagree about log π
value_clip_fraction | share of tokens | val/clipfrac_avg | 0 0.5
Where the clip held the value model back. | falls towards 0; stuck above 0.5, value_clip is too small
explained_variance | share of variance | | 0.5 1
How much of the returns the value model foresaw; OpenAI's ppo/val/var_explained. | \
climbs above 0.5; still below 0 after many updates is a bug
policy_grad_norm
The size of the policy's gradient, before clipping. | no spikes
value_grad_norm
The size of the value model's gradient, before clipping. | falls with the value loss
grad_norm
The size of the gradient, before clipping. | no spikes
lr | | lr
The learning rate. | falls in a straight line to 0
optimizer_steps
How many steps the update took. | epochs × minibatches; fewer where stop_kl ended it
tokens | tokens
How many tokens this step learned from; TRL's num_tokens adds up, prompts included. | about the same every step
margin | score | margin
How far the chosen reply stands above the rejected one. | rises
chosen_score | score
What chosen replies got; elsewhere chosen_rewards. | above the rejected; its level means nothing
rejected_score | score
What rejected replies got; elsewhere rejected_rewards. | below the chosen; its level means nothing
"""

# Where a stage means something else by the same name.
OWN = {
    PPORecord: "",
    SFTRecord: """
loss | nats a token | loss
How surprised the model was by the demonstrators' tokens. | \
starts at ln V if untrained, and falls; 0 means that it sees what it predicts
accuracy | share of tokens | mean_token_accuracy
How often the demonstrator's token was the model's first guess. | rises, and levels off below 1: people differ
grad_norm | | grad_norm
The size of the gradient, before clipping. | falls, without spikes
lr | | learning_rate
The learning rate. | a short rise, then a straight line to 0
""",
    RewardRecord: """
loss | nats a choice | loss
How surprised the model was by the choices people made. | \
starts at ln 2 = 0.693, and falls; 0.693 for ever is a dead head or equal pairs
accuracy | share of pairs | accuracy
How many pairs it orders as the person did; a tie counts half (in TRL, 0). | \
from ½ up to the ceiling that noise sets; near 1 is a leak
grad_norm | | grad_norm
The size of the gradient, before clipping. | no spikes
""",
    ReinforceRecord: """
policy_loss | | loss/policy_avg
Advantages times -log π; its size says nothing about quality, only its gradient is used. | anywhere near 0
""",
    DPORecord: """
loss | nats a choice | loss
How surprised the implicit rewards were by the choices people made. | \
starts at ln 2 = 0.693 and falls; 0.693 for ever, or anything else at step 1, is a bug
accuracy | share of pairs | rewards/accuracies
How many pairs the implicit rewards order as the person did; a tie counts half (in TRL, 0). | \
starts at ½; near 1 with few pairs is learning by heart
margin | nats times β | rewards/margins
How far the chosen reply's implicit reward stands above the rejected one's. | starts at 0, rises
chosen_reward | nats times β | rewards/chosen
β times how much more probable the chosen replies have become, in nats. | \
near 0, and may well fall: with the rejected one's it averages below 0
rejected_reward | nats times β | rewards/rejected
The same of the rejected replies. | below the chosen's; both plunging means that the mass has gone elsewhere
chosen_log_prob | nats a reply | logps/chosen
How probable a whole chosen reply is; a sum over its tokens. | drifts; falling by nats, look at what is said instead
rejected_log_prob | nats a reply | logps/rejected
How probable a whole rejected reply is. | falls
held_out_loss | nats a choice | eval_loss
The loss on pairs that nothing was learned from. | falls below 0.693, then turns: stop there
held_out_accuracy | share of pairs | eval_rewards/accuracies
How many of those pairs are ordered as the person did, ties half. | rises to the ceiling that noise sets
grad_norm | | grad_norm
The size of the gradient, before clipping. | falls as pairs are won
lr | | learning_rate
The learning rate. | a short rise, then a straight line to 0
""",
    KTORecord: """
loss | | loss
1 - σ of how far each reply stands on its thumb's side, on average. | starts near ½, falls
accuracy | share of replies
How many replies stand on their thumb's side of the distance gone; ties half. | starts at ½, rises
up_reward | nats times β | rewards/chosen
β times how much more probable the replies with a thumb up have become. | rises
down_reward | nats times β | rewards/rejected
The same of those with a thumb down. | falls
kl | nats a reply | kl
How far the policy is from the reference along these replies, exact; TRL estimates it from mismatched pairs. | \
exactly 0 at step 1, then rises
grad_norm | | grad_norm
The size of the gradient, before clipping. | no spikes
lr | | learning_rate
The learning rate. | a short rise, then a straight line to 0
""",
    GRPORecord: """
score | score | reward
What the verifier or reward model gave. | rises: the one sign of progress
pass_at_1 | share of replies
How many replies got full marks, a score of 1 or more. | rises
frac_reward_zero_std | share of groups | frac_reward_zero_std
In how many groups all replies got the same score, so that nothing is learned from them. | \
near p^G + (1-p)^G; towards 1 the signal dies
kl | nats a reply | kl
How far the policy is from the reference, summed over a reply; TRL's is the mean over tokens of k3. | \
exactly 0 at update 1, then rises
kl_of_certainty | nats a reply
What it costs never to be wrong and else to stay as one was: -ln of the share right at update 1. | stays
kl_beyond_certainty | nats a reply
How far the KL is beyond that. | below 0; above, something was bought that nobody checks
response_length | tokens | completions/mean_length
How long replies are, their end-of-text counted. | stable
length_right | tokens
How long the replies with full marks are. | stable; shrinking alone is the mean of each reply by itself
length_wrong | tokens
How long the others are. | stable; growing alone is the mean of each reply by itself
policy_loss | | loss
The clipped loss; near 0 by construction, since a group's advantages add up to 0. | near 0, and says nothing
policy_entropy | nats a token | entropy
How open the choice of the next token is. | falls slowly; near 0 within a few updates is collapse
clip_fraction | share of tokens | clip_ratio/region_mean | 0 0.2
Where the clip held the policy back. | 0 in the first step of an update, up to 0.2 after; above 0.3 steps are too large
grad_norm | | grad_norm
The size of the gradient, before clipping. | no spikes; 0 means that every group agrees
lr | | learning_rate
The learning rate. | falls in a straight line to 0
""",
    ClassifierRecord: """
loss | nats
How surprised the classifier was by the right labels, on average. | \
from ln of the number of labels down; near 0 where labels are plain
accuracy | share of examples
How many of the minibatch got their label as the first guess. | rises from a guess's share
lr | | lr
The learning rate. | rises, then falls in a straight line to 0
""",
}
