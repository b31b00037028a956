"""What a training run reports after an epoch, by name."""

__all__ = ["METRICS"]

METRICS = ("train/loss", "train/top1", "val/loss", "val/top1", "val/top1/best", "lr", "epoch_seconds")
