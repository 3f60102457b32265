"""Parts of training that do not depend on the model: worker groups, saved states, the training curve, Ray Train."""
