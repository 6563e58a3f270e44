"""A plain TRL script, as its documentation shows: what our training child is measured against.

`python plain_trl.py SETTINGS.json FOLDER`: the run that the settings describe, arguments for
arguments, without anything of ours.
"""

from __future__ import annotations

import json
import sys
from typing import Any


def main(settings: dict[str, Any], folder: str) -> None:
    import torch
    from datasets import load_dataset
    from peft import LoraConfig
    from transformers import AutoModelForCausalLM, AutoTokenizer
    from trl import SFTConfig, SFTTrainer

    torch.set_num_threads(settings["threads"])
    wanted = settings["hyperparameters"]
    lora = settings["method"] == "lora"
    trainer = SFTTrainer(
        model=AutoModelForCausalLM.from_pretrained(settings["base"], dtype=torch.float32),
        processing_class=AutoTokenizer.from_pretrained(settings["base"]),
        train_dataset=load_dataset("json", data_files=settings["train"][0], split="train"),
        peft_config=LoraConfig(
            task_type="CAUSAL_LM",
            r=wanted["loraRank"],
            lora_alpha=wanted["loraAlpha"],
            lora_dropout=wanted["loraDropout"],
            target_modules="all-linear",
        )
        if lora
        else None,
        args=SFTConfig(
            output_dir=folder,
            max_steps=wanted["maxSteps"],
            per_device_train_batch_size=wanted["batchSize"],
            gradient_accumulation_steps=wanted["gradientAccumulation"],
            learning_rate=wanted["learningRate"],
            lr_scheduler_type=wanted["schedule"],
            warmup_steps=3,
            weight_decay=wanted["weightDecay"],
            max_grad_norm=wanted["maxGradNorm"],
            max_length=wanted["maxLength"],
            assistant_only_loss=True,
            logging_steps=max(1, wanted["maxSteps"] // 100),
            save_steps=wanted["checkpointSteps"],
            save_total_limit=wanted["checkpointsKept"],
            seed=settings["seed"],
            bf16=False,
            gradient_checkpointing=False,
            use_cpu=True,
            dataloader_pin_memory=False,
            report_to="none",
            disable_tqdm=True,
        ),
    )
    trainer.train()
    trainer.save_model(folder)


if __name__ == "__main__":
    with open(sys.argv[1], encoding="utf-8") as told:
        main(json.load(told), sys.argv[2])
