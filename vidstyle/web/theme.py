"""How the page looks: quiet grounds, system fonts, and one warm colour for what to press."""

from __future__ import annotations

from importlib.resources import files

import gradio as gr
from gradio.themes.utils import colors, sizes

FONTS = ("system-ui", "-apple-system", "Segoe UI", "Roboto", "Ubuntu", "Cantarell", "sans-serif")
MONO = ("ui-monospace", "SFMono-Regular", "Menlo", "Consolas", "monospace")
VERMILION = colors.Color(
    c50="#fdf4f1",
    c100="#fbe6df",
    c200="#f6c9bc",
    c300="#eea38e",
    c400="#e47a5e",
    c500="#d4573a",
    c600="#bb4529",
    c700="#993720",
    c800="#7c2f1e",
    c900="#672b1e",
    c950="#38130b",
    name="vermilion",
)


def theme() -> gr.themes.Base:
    """Dark or light, as the visitor's system is."""
    base = gr.themes.Base(
        primary_hue=VERMILION,
        secondary_hue=VERMILION,
        neutral_hue=colors.stone,
        text_size=sizes.text_md,
        radius_size=sizes.radius_lg,
        font=FONTS,
        font_mono=MONO,
    )
    return base.set(
        body_background_fill="#faf9f7",
        body_background_fill_dark="#131211",
        background_fill_primary_dark="#1b1a18",
        background_fill_secondary_dark="#131211",
        block_background_fill="transparent",
        block_background_fill_dark="transparent",
        block_border_width="0px",
        block_shadow="none",
        block_label_background_fill="*neutral_50",
        block_label_background_fill_dark="#1b1a18",
        block_title_text_weight="500",
        block_title_text_size="*text_sm",
        button_primary_background_fill="*primary_600",
        button_primary_background_fill_hover="*primary_700",
        button_primary_background_fill_dark="*primary_600",
        button_primary_background_fill_hover_dark="*primary_500",
        button_primary_text_color="white",
        input_background_fill="white",
        input_background_fill_dark="#232120",
        input_border_width="1px",
        slider_color="*primary_600",
        slider_color_dark="*primary_500",
    )


def style_sheet() -> str:
    """What the theme has no words for."""
    return (files("vidstyle.web") / "style.css").read_text(encoding="utf-8")
