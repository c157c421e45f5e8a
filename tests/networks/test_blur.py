"""The blurred stride of the feature networks: its slope on a CPU in bfloat16 is that of torch's own convolution."""

import pytest
import torch
import torch.nn.functional as F

from pipeline.networks.shift_tolerant import Blur


@pytest.mark.parametrize("size", [(6, 9), (7, 8), (12, 5)])
@pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32])
def test_the_slope_is_that_of_the_convolution(size, dtype):
    line, draw = torch.tensor([1.0, 2.0, 1.0]) / 4, torch.Generator().manual_seed(2)
    blur = Blur(5).to(dtype)
    blur.filt.copy_((line[:, None] * line).expand(5, 1, 3, 3))
    blur.filt[0, 0] = torch.arange(9.0).view(3, 3) / 16  # one that is not symmetrical
    found = []
    for run in (blur, lambda x: F.conv2d(F.pad(x, (2, 2, 2, 2), mode="reflect"), blur.filt, stride=2, groups=5)):
        draw.manual_seed(3)
        x = torch.randn(2, 5, *size, generator=draw).to(dtype).requires_grad_()
        made = run(x)
        made.backward(torch.randn(made.shape, generator=draw).to(dtype))
        found.append((made, x.grad))
    (made, slope), (wanted, plain) = found
    assert torch.equal(made, wanted)
    assert slope.dtype == dtype
    torch.testing.assert_close(slope, plain, rtol=0.02 if dtype == torch.bfloat16 else 1e-6, atol=1e-6)
