"""The web page: choose a style, bring a video, a photo or a camera, and watch it being painted."""
