"""``TemporalConv`` against ``nn.Conv1d``: values and gradients."""

from __future__ import annotations

import pytest
import torch
from torch import nn

from wsvad.models.temporal_conv import TemporalConv


@pytest.mark.parametrize(("kernel", "dilation", "clips"), [(3, 1, 9), (3, 4, 9), (5, 2, 7), (1, 1, 4), (3, 4, 1)])
def test_it_equals_a_convolution(kernel, dilation, clips):
    """For kernels that reach beyond the video too; the weights have the same names and shapes."""
    torch.manual_seed(0)
    reference = nn.Conv1d(6, 4, kernel, dilation=dilation, padding=dilation * (kernel // 2)).double()
    ours = TemporalConv(6, 4, kernel_size=kernel, dilation=dilation).double()
    ours.load_state_dict(reference.state_dict())
    x_BTD = torch.randn(2, clips, 6, dtype=torch.float64, requires_grad=True)
    y_BTD = x_BTD.detach().clone().requires_grad_()
    expected, found = reference(x_BTD.mT).mT, ours(y_BTD)
    torch.testing.assert_close(found, expected)
    weight = torch.randn_like(expected)
    (expected * weight).sum().backward()
    (found * weight).sum().backward()
    torch.testing.assert_close(y_BTD.grad, x_BTD.grad)
    for name, parameter in reference.named_parameters():
        torch.testing.assert_close(ours.get_parameter(name).grad, parameter.grad)


def test_without_a_bias():
    """As in RTFM's fusion."""
    assert list(TemporalConv(3, 2, kernel_size=3, bias=False).state_dict()) == ["weight"]
