"""Which files FFmpeg may open as films: containers that hold their own content, on this machine.

FFmpeg also reads playlists, scripts and session descriptions (HLS, DASH, concat, SDP, IMF,
numbered pictures, AviSynth, VapourSynth), whatever their file is called; those open other files
and addresses. So formats are allowed by name, and files are the only protocol.
"""

from __future__ import annotations

FILM_FORMATS = (
    # In use today.
    *("mov", "matroska", "avi", "mpegts", "mpeg", "mpegvideo", "flv", "live_flv", "asf", "ogg"),
    *("gif", "apng", "webp_anim", "nut", "mxf", "ivf", "obu", "dv", "gxf", "wtv", "lxf", "cine"),
    *("yuv4mpegpipe", "h264", "hevc", "vvc", "evc", "m4v", "mjpeg", "mpjpeg", "dirac", "vc1"),
    # Older ones, of games and players.
    *("rm", "nsv", "nuv", "pva", "swf", "roq", "smk", "bink", "flic", "4xm", "film_cpk", "idcin"),
    *("ipmovie", "mm", "mvi", "mv", "mtv", "nc", "pmp", "r3d", "rl2", "rpl", "thp", "tmv", "txd"),
    *("vivo", "vmd", "yop", "bethsoftvid", "bfi", "c93", "cdxl", "dsicin", "dxa", "ea", "gdv"),
    *("hnm", "ipu", "jv", "lmlm4", "lvf", "mgsts", "mlv", "moflex", "mods", "psxstr", "sga"),
    *("smjpeg", "smush", "tiertexseq", "vividas", "wc3movie", "xmv", "mjpeg_2000", "ingenient"),
    *("h261", "h263", "cavsvideo", "avs", "avs2", "avs3", "vc1test", "dnxhd", "apv", "rcwt"),
    # A single picture under a film's name.
    *("png_pipe", "jpeg_pipe", "webp_pipe", "bmp_pipe", "tiff_pipe", "dpx_pipe", "exr_pipe"),
    *("pgm_pipe", "ppm_pipe", "pam_pipe", "jpegxl_pipe", "jpegxl_anim", "j2k_pipe", "gif_pipe"),
    # Sound alone, to say that there is no picture.
    *("wav", "w64", "mp3", "aac", "ac3", "eac3", "dts", "flac", "aiff", "au", "caf", "ape", "amr"),
)
"""FFmpeg's names of the formats that may be opened."""
PLAYLIST_FORMAT = "hls"
"""FFmpeg's name of the format of playlists, for one that the user has allowed; see `playlist`."""
PIECE_FORMATS = ("mpegts", "mov", "aac", "mp3", "ac3", "eac3")
"""FFmpeg's names of the formats that a playlist's files may have."""
FILM_PROTOCOLS = ("file",)
"""FFmpeg's names of the protocols that may be opened."""
OPENCV_CAPTURE_VARIABLE = "OPENCV_FFMPEG_CAPTURE_OPTIONS"
"""Environment variable that OpenCV takes FFmpeg's options from, for the whole process."""


def input_options(film_format: str | None = None) -> dict[str, str]:
    """Return FFmpeg's options, by name, that a film is opened with.

    Args:
        film_format: PLAYLIST_FORMAT for a playlist that may be opened; any other does not count.
    """
    is_playlist = film_format == PLAYLIST_FORMAT
    formats = (PLAYLIST_FORMAT, *PIECE_FORMATS) if is_playlist else FILM_FORMATS
    return {
        "format_whitelist": ",".join(formats),
        "protocol_whitelist": ",".join(FILM_PROTOCOLS),
    }


def ffmpeg_input_arguments(film_format: str | None = None) -> list[str]:
    """Return the arguments of the ffmpeg program that stand before the `-i` of a film."""
    options = input_options(film_format) | ({"f": film_format} if film_format else {})
    return [word for name, value in options.items() for word in (f"-{name}", value)]


def opencv_capture_options() -> str:
    """Return the value of OPENCV_CAPTURE_VARIABLE.

    OpenCV is only given films that PyAV has opened under the same policy. The command line, whose
    process is its own, sets the variable too; a program that imports DreamFlow may open cameras.
    """
    return "|".join(f"{name};{value}" for name, value in input_options().items())
