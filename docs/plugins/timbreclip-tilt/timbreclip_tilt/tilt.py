from timbreclip_eq import EQ, Param


class TiltEQ(EQ):
    params = (Param("slope", -6.0, 6.0, unit="dB/octave"),)

    def response(self, values, freqs_hz, sample_rate):
        octaves = (freqs_hz.clamp(min=20.0) / 1000.0).log2()
        return 10 ** (values["slope"][:, None] * octaves / 20)
