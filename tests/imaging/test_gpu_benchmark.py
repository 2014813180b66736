import json

import pytest
import torch
from benchmarks import imaging_gpu


@pytest.mark.slow
def test_the_benchmark_of_gpu_training_runs_end_to_end(tmp_path):
    path = tmp_path / "imaging_gpu.json"
    imaging_gpu.main(["--device", "cpu", "--small", "--output", str(path)])
    rows = json.loads(path.read_text())
    assert len(rows) == 4 * len(imaging_gpu.WORKLOADS)
    assert all(row["value"] is not None for row in rows)
    assert all(row["ratio"] > 0 for row in rows if row["unit"] == "images/s")


@pytest.mark.skipif(torch.cuda.is_available(), reason="needs a machine without a GPU")
def test_without_a_gpu_the_benchmark_leaves_itself_out(capsys, monkeypatch):
    monkeypatch.setattr(imaging_gpu, "write", lambda *_: pytest.fail("wrote results"))
    imaging_gpu.main()
    assert "no GPU" in capsys.readouterr().out
