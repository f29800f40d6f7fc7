"""Train LoRA adapters of a small Llama, made from scratch, on repeating sequences (pip install transformers peft)."""

import argparse

import peft
import torch
import transformers

from gradflow.integrations.transformers import GradientFlow  # gradflow

parser = argparse.ArgumentParser(description=__doc__)
parser.add_argument("--steps", type=int, default=20)
steps = parser.parse_args().steps


class Repeats(torch.utils.data.Dataset):
    """Sequences in which eight random tokens come twice."""

    def __len__(self):
        return 256

    def __getitem__(self, index):
        tokens = torch.randint(50, (8,), generator=torch.Generator().manual_seed(index)).repeat(2)
        return {"input_ids": tokens, "labels": tokens}


transformers.set_seed(0)
config = transformers.LlamaConfig(
    vocab_size=50,
    hidden_size=32,
    intermediate_size=64,
    num_hidden_layers=2,
    num_attention_heads=2,
)
base = transformers.LlamaForCausalLM(config)
model = peft.get_peft_model(base, peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], task_type="CAUSAL_LM"))
trainer = transformers.Trainer(
    model,
    transformers.TrainingArguments(
        output_dir="runs/checkpoints",
        max_steps=steps,
        learning_rate=1e-2,
        logging_steps=1,
        save_strategy="no",
        report_to=[],
        use_cpu=True,
        disable_tqdm=True,
    ),
    train_dataset=Repeats(),
    callbacks=[GradientFlow("runs/lora")],  # gradflow
)
loss = trainer.train().training_loss
print(f"mean loss {loss:.4f}")
