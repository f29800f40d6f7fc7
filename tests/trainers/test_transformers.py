"""Transformers, PEFT and TRL: gradients as their optimizer uses them, training to the bit, resuming."""

import pytest
import torch
import transformers
from steps import TOLERANCE, handed, is_bare, load, same, worst_error

import gradflow
from gradflow.integrations.transformers import GradientFlow

transformers.utils.logging.set_verbosity_error()
VOCABULARY, LENGTH, N_ROWS = 50, 12, 16


class Rows(torch.utils.data.Dataset):
    def __init__(self):
        self.tokens = torch.randint(0, VOCABULARY, (N_ROWS, LENGTH), generator=torch.Generator().manual_seed(0))

    def __len__(self):
        return N_ROWS

    def __getitem__(self, index):
        return {"input_ids": self.tokens[index], "labels": self.tokens[index]}


def language_model(**options):
    torch.manual_seed(0)
    config = transformers.LlamaConfig(
        vocab_size=VOCABULARY, hidden_size=16, intermediate_size=32, num_hidden_layers=2, num_attention_heads=2,
        num_key_value_heads=2, pad_token_id=0, **options,
    )  # fmt: skip
    return transformers.LlamaForCausalLM(config)


def train(folder, model, callbacks=(), resume=None, **options):
    options = {"max_steps": 4, "logging_steps": 1, "save_strategy": "no", **options}
    arguments = transformers.TrainingArguments(
        output_dir=str(folder), use_cpu=True, report_to=[], disable_tqdm=True, per_device_train_batch_size=2,
        learning_rate=1e-2, seed=3, **options,
    )  # fmt: skip
    trainer = transformers.Trainer(model, arguments, train_dataset=Rows(), callbacks=[*callbacks])
    trainer.train(resume_from_checkpoint=resume)
    return trainer


CASES = {
    "plain": {"max_grad_norm": 0.0},
    "accumulated": {"gradient_accumulation_steps": 2, "max_grad_norm": 0.0},
    "clipped": {"max_grad_norm": 0.05},
    "bf16": {"bf16": True, "max_grad_norm": 0.0},
    "checkpointed": {"gradient_checkpointing": True, "max_grad_norm": 0.0},
    "all": {"gradient_accumulation_steps": 2, "max_grad_norm": 0.05, "bf16": True, "gradient_checkpointing": True},
}


@pytest.mark.parametrize("case", CASES)
def test_norms_are_those_that_the_optimizer_uses_and_training_is_the_same(tmp_path, monkeypatch, case):
    options = CASES[case]
    bare, model = language_model(), language_model()
    train(tmp_path / "bare", bare, **options)
    with handed(monkeypatch) as steps:
        trainer = train(tmp_path / "out", model, [GradientFlow(tmp_path / "run")], **options)
    recording = load(tmp_path / "run")
    assert len(steps) == 4
    assert worst_error(recording, model, steps) < TOLERANCE
    assert same(bare, model)
    assert is_bare(model)
    logged = [one for one in trainer.state.log_history if "loss" in one]
    assert recording.steps["loss"].tolist() == pytest.approx([one["loss"] for one in logged])
    if options["max_grad_norm"]:
        assert recording.steps["total_grad_norm"].to_numpy() == pytest.approx(0.05, rel=1e-3)
        assert recording.steps["unclipped_grad_norm"].tolist() == pytest.approx([one["grad_norm"] for one in logged])
    assert any("gradflow/total_grad_norm" in one for one in trainer.state.log_history)


def test_a_resumed_training_goes_on_with_the_recording_of_its_checkpoint(tmp_path):
    whole = language_model()
    train(tmp_path / "whole", whole, [GradientFlow(tmp_path / "run-whole")], max_steps=6)
    saving = {"save_strategy": "steps", "save_steps": 2}
    train(tmp_path / "out", language_model(), [GradientFlow(tmp_path / "run")], max_steps=6, **saving)
    again = language_model()
    train(
        tmp_path / "out", again, [GradientFlow(tmp_path / "run")], max_steps=6,
        resume=str(tmp_path / "out" / "checkpoint-2"),
    )  # fmt: skip
    assert same(whole, again)
    assert load(tmp_path / "run").steps["step"].tolist() == [*range(6)]
    assert load(tmp_path / "run").layers.equals(load(tmp_path / "run-whole").layers)


def test_a_folder_of_another_training_is_refused(tmp_path):
    callback = GradientFlow(tmp_path / "run")
    train(tmp_path / "out", language_model(), [callback])
    with pytest.raises(gradflow.storage.StorageError, match="already holds the recording of another training"):
        train(tmp_path / "out", language_model(), [GradientFlow(tmp_path / "run")])
    with pytest.raises(gradflow.recording.GradflowError, match="this callback has recorded another model"):
        train(tmp_path / "out", language_model(), [callback])


def test_after_an_error_the_rows_are_there_and_close_takes_the_hooks_off(tmp_path):
    class Fails(transformers.TrainerCallback):
        def on_step_end(self, args, state, control, **kwargs):
            if state.global_step == 2:
                raise RuntimeError("boom")

    model, callback = language_model(), GradientFlow(tmp_path / "run")
    with pytest.raises(RuntimeError, match="boom"):
        train(tmp_path / "out", model, [callback, Fails()])
    callback.close()
    assert is_bare(model)
    assert len(load(tmp_path / "run").steps) == 2
    train(tmp_path / "out", model, [callback])
    assert len(load(tmp_path / "run").steps) == 6


def test_the_adapters_of_lora_are_judged_and_the_base_is_said_to_be_frozen(tmp_path, monkeypatch):
    import peft

    def adapted():
        torch.manual_seed(1)
        config = peft.LoraConfig(r=4, target_modules=["q_proj", "v_proj"], lora_dropout=0.0, task_type="CAUSAL_LM")
        return peft.get_peft_model(language_model(), config)

    bare, model = adapted(), adapted()
    train(tmp_path / "bare", bare, max_steps=6)
    with handed(monkeypatch) as steps:
        train(tmp_path / "out", model, [GradientFlow(tmp_path / "run")], max_steps=6)
    recording = load(tmp_path / "run")
    assert same(bare, model)
    assert worst_error(recording, model, steps) < TOLERANCE
    last = recording.layers[recording.layers["step"] == 5]
    adapters = last[last["layer"].str.contains("lora_") & last["grad_norm"].notna()]
    assert len(adapters) == 8  # two matrices of two projections of two layers
    assert (adapters["grad_norm"] > 0).all()
    base = recording.parameters[recording.parameters["layer"].str.contains("base_layer")]
    assert set(base["status"]) == {"frozen"}
    said = [finding for finding in gradflow.diagnose(recording) if finding.severity == "problem"]
    assert not said, [str(one) for one in said]


def test_trl(tmp_path, monkeypatch):
    import datasets
    import tokenizers
    import trl

    words = tokenizers.models.WordLevel({"[UNK]": 0, **{f"w{i}": i for i in range(1, VOCABULARY)}}, unk_token="[UNK]")
    raw = tokenizers.Tokenizer(words)
    raw.pre_tokenizer = tokenizers.pre_tokenizers.Whitespace()
    tokenizer = transformers.PreTrainedTokenizerFast(
        tokenizer_object=raw, unk_token="[UNK]", pad_token="[UNK]", eos_token="w1"
    )
    rows = datasets.Dataset.from_list([{"text": " ".join(f"w{(i * j) % 49 + 1}" for j in range(8))} for i in range(16)])

    def fit(model, name, callbacks):
        arguments = trl.SFTConfig(
            output_dir=str(tmp_path / name), use_cpu=True, bf16=False, report_to=[], max_steps=3, save_strategy="no",
            per_device_train_batch_size=2, learning_rate=1e-2, max_length=16, disable_tqdm=True, logging_steps=1,
            dataset_num_proc=None,
        )  # fmt: skip
        trl.SFTTrainer(
            model, args=arguments, train_dataset=rows, processing_class=tokenizer, callbacks=callbacks
        ).train()

    bare, model = language_model(), language_model()
    fit(bare, "bare", [])
    with handed(monkeypatch) as steps:
        fit(model, "out", [GradientFlow(tmp_path / "run")])
    assert worst_error(load(tmp_path / "run"), model, steps) < TOLERANCE
    assert same(bare, model)
